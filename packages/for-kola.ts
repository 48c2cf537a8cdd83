/** The face of packages/ towards kola-tests/. */
export { ignitionOracle } from './ignition/source.ts';
