// The server's answers to Why.

import { METHODS } from "./links.js";
import { fileData } from "./requests.js";

/**
 * @param {import("./requests.js").Server} server
 * @returns {import("./explaining.js").Explainer}
 */
export function serverExplainer(server) {
  return {
    methods: METHODS,
    refined: true,
    lacks: "",
    async ask({ wish, why, x, y, step }, stopping) {
      const target = [why.target, x, y, step, why.refined, why.level];
      const how = [why.method, "blurred", "", -1];
      const asked = [fileData(wish.photo.path), ...target, ...how, wish.checkpoint, wish.steps ?? -1];
      const [file, numbers] = await server.call("attribute", asked, stopping);
      return { picture: server.address(file.path), numbers };
    },
  };
}
