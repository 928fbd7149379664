/** Removes elements from HTML that would load resources. */

import type { IRenderMime } from "@jupyterlab/rendermime";

const LOADING_ELEMENTS = "audio, video, source, track, iframe, object, embed, link, svg";

/** Also replaces images by links to them. Text is not changed, so code is shown as it is. */
export class OfflineSanitizer implements IRenderMime.ISanitizer {
  constructor(private readonly base: IRenderMime.ISanitizer) {}

  sanitize(dirty: string, options?: IRenderMime.ISanitizerOptions): string {
    const { body } = new DOMParser().parseFromString(dirty, "text/html"); // a parsed document loads nothing
    for (const image of body.querySelectorAll("img")) {
      const link = body.ownerDocument.createElement("a");
      link.setAttribute("href", image.getAttribute("src") ?? "");
      link.textContent = image.alt || image.getAttribute("src") || "image";
      image.replaceWith(link);
    }
    for (const element of body.querySelectorAll(LOADING_ELEMENTS)) {
      element.remove();
    }
    for (const element of body.querySelectorAll("[style], [background]")) {
      element.removeAttribute("style"); // may contain url(…)
      element.removeAttribute("background");
    }
    return this.base.sanitize(body.innerHTML, options);
  }
}
