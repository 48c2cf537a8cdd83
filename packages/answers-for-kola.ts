/** The modules of packages/ that the VM test of programs' answers may import. */
export {
  type Answer,
  answerOf,
  CONTAINERS,
  changesOf,
  KEY,
  lineOf,
  QUESTIONS,
  RECORDED,
  recorded,
  SNAPSHOT,
  TIMERS,
} from './box/testing/answers.ts';
