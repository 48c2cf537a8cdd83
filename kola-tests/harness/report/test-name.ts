/** `area.what`; it names a folder of the report too. */
export const TEST_NAME = /^[a-z0-9]+(\.[a-z0-9-]+)+$/;
