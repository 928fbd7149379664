/** Takes out of HTML whatever would load something when it is shown. */

import type { IRenderMime } from "@jupyterlab/rendermime";

const LOADING = "audio, video, source, track, iframe, object, embed, link, svg";

/** A sanitizer that also makes images links to them. Text is not changed, so code stays as it is. */
export class OfflineSanitizer implements IRenderMime.ISanitizer {
  constructor(private readonly base: IRenderMime.ISanitizer) {}

  sanitize(dirty: string, options?: IRenderMime.ISanitizerOptions): string {
    const { body } = new DOMParser().parseFromString(dirty, "text/html"); // such a document loads nothing
    for (const image of body.querySelectorAll("img")) {
      const link = body.ownerDocument.createElement("a");
      link.setAttribute("href", image.getAttribute("src") ?? "");
      link.textContent = image.alt || image.getAttribute("src") || "image";
      image.replaceWith(link);
    }
    for (const element of body.querySelectorAll(LOADING)) {
      element.remove();
    }
    for (const element of body.querySelectorAll("[style], [background]")) {
      element.removeAttribute("style"); // may have url(…)
      element.removeAttribute("background");
    }
    return this.base.sanitize(body.innerHTML, options);
  }
}
