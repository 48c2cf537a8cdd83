import { WrongUsage } from '../install/terminal.ts';
import { replicate } from '../replicate/run.ts';
import { readReplication, replicationNames } from '../settings/replicate.ts';
import { tell, type Verb } from './verb.ts';

/** `draisine replicate NAME`; a timer or the owner calls it. */
export const replicateNow: Verb = (box, terminal, options) => {
  const [name, other] = options.words;
  if (name === undefined || other !== undefined)
    throw new WrongUsage(
      `replicate takes one name: ${replicationNames(box).join(', ') || 'the machine config has no replicate'}`,
    );
  const replication = readReplication(box, name);
  const snapshot = replicate(box, replication);
  const { host, target } = replication;
  tell(terminal, options, { name, snapshot, host, target }, `${snapshot} is at ${host}, in ${target}`);
};
