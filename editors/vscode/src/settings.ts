/** What is sent to the server of the editor's settings. */

/** A setting as the editor has it. */
export interface Setting {
  /** By the user or the workspace, not only by its default. */
  readonly isSet: boolean;
  /** In force: the default where nothing is set. */
  readonly value: unknown;
}

/** A setting that is the extension's own. */
const OWN = /^nano\.server\./;

/**
 * The settings that somebody has set: a default of the editor would go before what a project says.
 *
 * @param keys of all settings, as `nano.model`
 * @param look how a setting stands
 * @param told names that the server has been told before: told again, though unset since
 */
export function collectSettings(
  keys: readonly string[],
  look: (key: string) => Setting,
  told: Iterable<string> = [],
): Record<string, unknown> {
  const before = new Set(told);
  const named = keys.filter((key) => !OWN.test(key)).map((key) => [key.slice("nano.".length), look(key)] as const);
  return Object.fromEntries(
    named.filter(([name, { isSet }]) => isSet || before.has(name)).map(([name, { value }]) => [name, value]),
  );
}
