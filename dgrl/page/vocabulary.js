// Written by `python -m dgrl.page.vocabulary`; changes belong there.

export default {
  "levels": [
    {
      "name": "conv3",
      "word": "fine"
    },
    {
      "name": "conv4",
      "word": "medium"
    },
    {
      "name": "conv5",
      "word": "coarse"
    }
  ],
  "blocks": [
    "conv2",
    "conv3",
    "conv4",
    "conv5"
  ],
  "maxSteps": 4,
  "maxEdits": 64,
  "edits": {
    "prompt": {
      "box": {
        "type": "box",
        "required": false,
        "minimum": 0,
        "maximum": 1
      },
      "mask": {
        "type": "mask",
        "required": false
      },
      "share": {
        "type": "number",
        "required": false,
        "default": 0.9,
        "minimum": 0,
        "maximum": 1
      }
    },
    "flatten": {
      "level": {
        "type": "choice",
        "required": true,
        "choices": [
          "conv3",
          "conv4",
          "conv5"
        ]
      },
      "at": {
        "type": "step",
        "required": false
      }
    },
    "patch": {
      "tap": {
        "type": "tap",
        "required": true
      },
      "photo": {
        "type": "photo",
        "required": false
      },
      "checkpoint": {
        "type": "text",
        "required": false
      },
      "steps": {
        "type": "integer",
        "required": false,
        "minimum": 0,
        "maximum": 4
      }
    },
    "paint": {
      "level": {
        "type": "choice",
        "required": true,
        "choices": [
          "conv3",
          "conv4",
          "conv5"
        ]
      },
      "mask": {
        "type": "mask",
        "required": true
      },
      "strength": {
        "type": "number",
        "required": false,
        "default": 4,
        "minimum": 0,
        "maximum": 10.0
      },
      "at": {
        "type": "step",
        "required": false
      }
    },
    "feedback": {
      "block": {
        "type": "choice",
        "required": true,
        "choices": [
          "conv2",
          "conv3",
          "conv4",
          "conv5"
        ]
      },
      "factor": {
        "type": "number",
        "required": false,
        "default": 0,
        "minimum": 0,
        "maximum": 10.0
      },
      "at": {
        "type": "step",
        "required": false
      }
    },
    "kernels": {
      "to": {
        "type": "choice",
        "required": true,
        "choices": [
          "mean",
          "identity"
        ]
      }
    },
    "unrefined": {}
  },
  "maps": [
    {
      "name": "result",
      "word": "Result"
    },
    {
      "name": "photo",
      "word": "Photo"
    },
    {
      "name": "conv3",
      "word": "Attention, fine"
    },
    {
      "name": "conv4",
      "word": "Attention, medium"
    },
    {
      "name": "conv5",
      "word": "Attention, coarse"
    },
    {
      "name": "prediction",
      "word": "Prediction"
    },
    {
      "name": "change",
      "word": "Change"
    },
    {
      "name": "prior",
      "word": "Before sharpening (as BRN receives it)"
    },
    {
      "name": "refinement",
      "word": "What sharpening changed"
    },
    {
      "name": "refined",
      "word": "After sharpening (BRN)"
    }
  ],
  "found": {
    "above": 0.5,
    "least": 0.001
  },
  "targets": [
    {
      "name": "pixel",
      "word": "this pixel"
    },
    {
      "name": "object",
      "word": "the object"
    },
    {
      "name": "cell",
      "word": "one attention cell"
    }
  ],
  "methods": [
    {
      "name": "occlusion",
      "word": "Occlusion",
      "about": "Blurs one part of the photo at a time. Red parts raise the value, blue ones lower it."
    },
    {
      "name": "integrated_gradients",
      "word": "Integrated Gradients",
      "about": "Adds up gradients on the way from a blurred photo to the photo. The finest picture, and the slowest."
    },
    {
      "name": "grad_cam",
      "word": "Grad-CAM",
      "about": "Weighs one block's features by their gradients. The fastest, and the coarsest."
    }
  ],
  "prompt": {
    "radius": 0.125,
    "share": 0.9,
    "growth": 0.03125,
    "rounds": 3
  },
  "survey": {
    "on": 1.5,
    "certain": 1.96,
    "named": 3,
    "questions": {
      "off": "Where is attention off the object?",
      "where": "At which level and look?",
      "memory": "Where does memory help or hurt?",
      "kernel": "Which kernels are artefacts?",
      "checkpoint": "Which checkpoint attends better?"
    },
    "effects": {
      "memory": "Memory helps on {up} pictures and hurts on {down} of {all}",
      "kernel": "Kernels help on {up} pictures; one mean kernel does better on {down} of {all}"
    }
  },
  "glossary": "https://github.com/dgrl/dgrl/blob/main/docs/glossary.md",
  "colours": {
    "weights": "00000300000400000601000701010901010b02020d02020f03031104031304041505041706051907051b08061d09071f0a07220b08240c09260d0a280e0a2a0f0b2c100c2f110c31120d33140d35150e38160e3a170f3c180f3f1a10411b10441c10461e10491f114b20114d2211502311522511552611572811592a115c2b115e2d10602f1062301065321067341068350f6a370f6c390f6e3b0f6f3c0f713e0f72400f73420f74430f75450f76470f774810784a10794b10794d117a4f117b50127b52127c53137c55137d57147d58157e5a157e5b167e5d177e5e177f60187f61187f63197f651a80661a80681b80691c806b1c806c1d806e1e816f1e81711f81731f817420817621817721817922817a22817c23817e24817f24818125818225818426818526818727818928818a28818c29808d29808f2a80912a80922b80942b80952c80972c7f992d7f9a2d7f9c2e7f9e2e7e9f2f7ea12f7ea3307ea4307da6317da7317da9327cab337cac337bae347bb0347bb1357ab3357ab53679b63679b83778b93778bb3877bd3977be3976c03a75c23a75c33b74c53c74c63c73c83d72ca3e72cb3e71cd3f70ce4070d0416fd1426ed3426dd4436dd6446cd7456bd9466ada4769dc4869dd4968de4a67e04b66e14c66e24d65e44e64e55063e65162e75262e85461ea5560eb5660ec585fed595fee5b5eee5d5def5e5df0605df1615cf2635cf3655cf3675bf4685bf56a5bf56c5bf66e5bf6705bf7715bf7735cf8755cf8775cf9795cf97b5df97d5dfa7f5efa805efa825ffb8460fb8660fb8861fb8a62fc8c63fc8e63fc9064fc9265fc9366fd9567fd9768fd9969fd9b6afd9d6bfd9f6cfda16efda26ffda470fea671fea873feaa74feac75feae76feaf78feb179feb37bfeb57cfeb77dfeb97ffebb80febc82febe83fec085fec286fec488fec689fec78bfec98dfecb8efdcd90fdcf92fdd193fdd295fdd497fdd698fdd89afdda9cfddc9dfddd9ffddfa1fde1a3fce3a5fce5a6fce6a8fce8aafceaacfcecaefceeb0fcf0b1fcf1b3fcf3b5fcf5b7fbf7b9fbf9bbfbfabdfbfcbf",
    "saliency": "0000000101010202020303030404040505050606060707070808080909090a0a0a0b0b0b0c0c0c0d0d0d0e0e0e0f0f0f1010101111111212121313131414141515151616161717171818181919191a1a1a1b1b1b1c1c1c1d1d1d1e1e1e1f1f1f2020202020202222222323232424242424242626262727272828282828282a2a2a2b2b2b2c2c2c2c2c2c2e2e2e2f2f2f3030303030303232323333333434343434343636363737373838383838383a3a3a3b3b3b3c3c3c3c3c3c3e3e3e3f3f3f4040404141414141414343434444444545454646464747474848484949494949494b4b4b4c4c4c4d4d4d4e4e4e4f4f4f5050505151515151515353535454545555555656565757575858585959595959595b5b5b5c5c5c5d5d5d5e5e5e5f5f5f6060606161616161616363636464646565656666666767676868686969696969696b6b6b6c6c6c6d6d6d6e6e6e6f6f6f7070707171717171717373737474747575757676767777777878787979797979797b7b7b7c7c7c7d7d7d7e7e7e7f7f7f8080808181818282828383838383838585858686868787878888888989898a8a8a8b8b8b8c8c8c8d8d8d8e8e8e8f8f8f9090909191919292929393939393939595959696969797979898989999999a9a9a9b9b9b9c9c9c9d9d9d9e9e9e9f9f9fa0a0a0a1a1a1a2a2a2a3a3a3a3a3a3a5a5a5a6a6a6a7a7a7a8a8a8a9a9a9aaaaaaabababacacacadadadaeaeaeafafafb0b0b0b1b1b1b2b2b2b3b3b3b3b3b3b5b5b5b6b6b6b7b7b7b8b8b8b9b9b9babababbbbbbbcbcbcbdbdbdbebebebfbfbfc0c0c0c1c1c1c2c2c2c3c3c3c3c3c3c5c5c5c6c6c6c7c7c7c8c8c8c9c9c9cacacacbcbcbcccccccdcdcdcecececfcfcfd0d0d0d1d1d1d2d2d2d3d3d3d3d3d3d5d5d5d6d6d6d7d7d7d8d8d8d9d9d9dadadadbdbdbdcdcdcdddddddedededfdfdfe0e0e0e1e1e1e2e2e2e3e3e3e3e3e3e5e5e5e6e6e6e7e7e7e8e8e8e9e9e9eaeaeaebebebecececedededeeeeeeefefeff0f0f0f1f1f1f2f2f2f3f3f3f3f3f3f5f5f5f6f6f6f7f7f7f8f8f8f9f9f9fafafafbfbfbfcfcfcfdfdfdfefefeffffff",
    "signed": "05306106326307346608366909386c0a3a6f0b3c720c3e750d40780e437b0f457e114781124984134b87144d8a154f8d1651901754931856951958981a5a9b1c5c9e1d5ea11e60a41f62a72064aa2166ac2368ad246aae256caf276db0286fb02971b12b73b22c75b32d76b42f78b5307ab6317cb7337db8347fb93581b93783ba3884bb3986bc3b88bd3c8abe3d8bbf3f8dc0408fc14191c24393c34694c44996c54c98c64f9ac7529cc8559ec958a0ca5ba2cb5ea4cc61a6cd65a8ce68aacf6bacd06eaed171b0d274b2d377b4d57ab6d67db8d780bad884bcd987beda8ac0db8dc2dc90c4dd93c5de95c6df98c8df9ac9e09dcae19fcbe1a2cde2a4cee3a7cfe4a9d0e4abd2e5aed3e6b0d4e6b3d5e7b5d7e8b8d8e8bad9e9bddaeabfdcebc2ddebc4deecc7dfedc9e1edcce2eecee3efd1e5f0d2e5f0d3e6f0d5e7f0d6e7f1d8e8f1d9e9f1dbe9f1dceaf2deebf2dfecf2e1ecf3e2edf3e4eef3e5eef3e7eff4e8f0f4eaf1f4ebf1f4edf2f5eef3f5f0f3f5f1f4f6f3f5f6f4f5f6f6f6f6f7f6f6f7f5f4f7f4f2f7f3f0f8f2eef8f0ecf8efeaf8eee8f9ede7f9ece5f9ebe3f9eae1f9e9dffae8ddfae7dbfae5d9fae4d7fbe3d6fbe2d4fbe1d2fbe0d0fcdfcefcdeccfcddcafcdcc8fddbc7fcd8c4fcd6c1fbd4befbd2bcfbd0b9faceb6faccb4facab1f9c7aef9c5abf9c3a9f8c1a6f8bfa3f8bda1f7bb9ef7b99bf7b799f6b496f6b293f5b090f5ae8ef5ac8bf4aa88f4a886f4a683f3a380f2a07ef19e7cef9b7aee9878ed9676ec9374eb9072ea8e70e88b6ee7886ce6856ae58368e48065e27d63e17b61e0785fdf755dde725bdd7059db6d57da6a55d96853d86551d7624fd6604dd45d4bd35a4ad15749d05447ce5146cd4f45cc4c43ca4942c94641c7433fc6403ec53e3cc33b3bc2383ac03538bf3237be3036bc2d34bb2a33b92732b82431b6212fb51f2eb41c2db2192bb0172aad162aaa1529a71429a41328a112289e11279b1027991027960f26930e26900d258d0c258a0b24870a248409238108237e07227b06227805217504217203206f02206c011f69001f67001f"
  }
};
