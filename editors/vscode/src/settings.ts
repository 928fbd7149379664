/** The editor's settings as they are sent to the server. */

/** A setting's state in the editor. */
export interface Setting {
  /** Whether the user or the workspace has set it. */
  readonly isSet: boolean;
  /** Effective value: the default if it is not set. */
  readonly value: unknown;
}

/** Settings of the extension, which are not sent. */
const EXTENSION_ONLY = /^nano\.server\./;

/**
 * Collect the settings that are set. Defaults are left out: they would override a project's own configuration.
 *
 * @param keys names of all settings, such as `nano.model`
 * @param inspect returns a setting's state
 * @param alwaysInclude names sent before: sent again even if they have been unset since
 */
export function collectSettings(
  keys: readonly string[],
  inspect: (key: string) => Setting,
  alwaysInclude: Iterable<string> = [],
): Record<string, unknown> {
  const included = new Set(alwaysInclude);
  const named = keys
    .filter((key) => !EXTENSION_ONLY.test(key))
    .map((key) => [key.slice("nano.".length), inspect(key)] as const);
  return Object.fromEntries(
    named.filter(([name, { isSet }]) => isSet || included.has(name)).map(([name, { value }]) => [name, value]),
  );
}
