/** The form `area.subject`. The name is also that of a folder of the report. */
export const TEST_NAME = /^[a-z0-9]+(\.[a-z0-9-]+)+$/;
