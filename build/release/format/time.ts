/** A time (milliseconds since 1970) in the form of signed files: ISO 8601 in UTC, whole seconds. */
export function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
