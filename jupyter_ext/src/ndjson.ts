/** Newline-delimited JSON (NDJSON) that arrives in chunks. */

/** Parse each line as soon as it is complete. */
export async function* parseNdjson(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line) {
        yield JSON.parse(line);
      }
    }
  }
  if (rest) {
    yield JSON.parse(rest);
  }
}
