/**
 * Shell functions that report problems to the owner. `tell NAME TEXT` writes /run/draisine/problems/NAME,
 * which the console and `draisine status` show, and a line of the journal. `forget NAME` removes the file.
 * `keep_out DIR` makes an empty mount point immutable (chattr(1)), so that no program writes into it while
 * its dataset is not mounted.
 */
export const PROBLEMS = `problems=/run/draisine/problems
tell() { mkdir -p "$problems"; echo "$2" >"$problems/$1"; echo "<3>$2" >&2; }
forget() { rm -f "$problems/$1"; }
keep_out() {
  mountpoint -q "$1" && return
  mkdir -p "$1" 2>/dev/null || return 0 # below the immutable mount point of a locked dataset
  [ -n "$(ls -A "$1")" ] || chattr +i "$1" 2>/dev/null || :
}`;
