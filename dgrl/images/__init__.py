"""Any picture to RGB and back.

| file | what it does |
|---|---|
| `opening` | opens files: how large they may be, and every fault as one sentence |
| `reading` | any picture to what the networks see, and the way back |
| `profiles`, `transparency` | colours to sRGB; what transparent pictures are laid on |
| `cutouts`, `foreground` | the object on transparency or a background, without the old one's colour |
| `matting` | edges as fine as the photo's own |
| `video` | videos and animated pictures, frame by frame |
| `marking` | the mark by which maps and cut-outs are known |

What is most asked for is given here; the rest is imported by the names of its files.
"""

from dgrl.images.opening import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from dgrl.images.opening import MAX_PIXELS as MAX_PIXELS
from dgrl.images.opening import MAX_SIDE as MAX_SIDE
from dgrl.images.opening import ImageError as ImageError
from dgrl.images.reading import RGB as RGB
from dgrl.images.reading import Photo as Photo
from dgrl.images.reading import Picture as Picture
from dgrl.images.reading import as_float as as_float
from dgrl.images.reading import read_image as read_image
from dgrl.images.reading import read_photo as read_photo
from dgrl.images.reading import square as square
from dgrl.images.reading import to_grey as to_grey
from dgrl.images.reading import to_size as to_size
from dgrl.images.reading import to_tensor as to_tensor
