/** The plan of `draisine apply` on the box, as JSON. The administrator's machine shows it. */
export interface PlanDocument {
  /** One line each. `+` is new, `~` changes, `-` goes, `!` is an action on a unit. */
  readonly changes: readonly string[];
  /** By path: a unified diff, or a remark in its place. */
  readonly diffs: Readonly<Record<string, string>>;
  /** Files that somebody changed by hand; `conflict`: the config changes them as well. */
  readonly drift: readonly { readonly path: string; readonly what: string; readonly conflict: boolean }[];
  /** Changes that only a first boot can make. */
  readonly refusals: readonly { readonly what: string; readonly hint: string }[];
  /** Things that stay although the config no longer has them, with the command that removes each. */
  readonly left: readonly { readonly what: string; readonly command: string }[];
}
