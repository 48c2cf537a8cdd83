/** The only module of packages/ that kola-tests/ imports. */
export { ignitionOracle } from './ignition/source.ts';
