import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/*
 * For tests: a hardware key without the hardware. An SSH agent (draft-ietf-sshm-ssh-agent) that holds one key of the
 * kind that FIDO tokens have, and signs as a token does (OpenSSH's PROTOCOL.u2f).
 */

const KIND = 'sk-ssh-ed25519@openssh.com';
const APPLICATION = 'ssh:';
/** The flag for a touched token. */
const PRESENT = 1;

const IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN = 13;
const SIGN_ANSWER = 14;
const FAILURE = 5;

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function sha256(bytes: string | Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** The string that begins at an offset. */
function stringAt(bytes: Buffer, at: number): Buffer {
  return bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at));
}

export interface Token {
  /** The line of its `.pub` file. */
  readonly publicKey: string;
  /** The number of its signatures. */
  signatures(): number;
  /** Whether somebody touches it for a signature; initially true. */
  touched: boolean;
}

/** Starts the agent on a socket, for as long as the test runs. */
export async function startToken(t: TestContext, socket: string): Promise<Token> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const blob = Buffer.concat([string(KIND), string(raw), string(APPLICATION)]);
  let counter = 0;
  const token = {
    publicKey: `${KIND} ${blob.toString('base64')} token`,
    signatures: () => counter,
    touched: true,
  };
  const signature = (data: Buffer): Buffer => {
    const state = Buffer.concat([Buffer.from([PRESENT]), uint32(++counter)]);
    const signed = sign(null, Buffer.concat([sha256(APPLICATION), state, sha256(data)]), privateKey);
    return Buffer.concat([string(KIND), string(signed), state]);
  };
  const answer = (request: Buffer): Buffer => {
    if (request[0] === IDENTITIES)
      return Buffer.concat([Buffer.from([IDENTITIES_ANSWER]), uint32(1), string(blob), string('token')]);
    if (request[0] !== SIGN || !token.touched) return Buffer.from([FAILURE]);
    const key = stringAt(request, 1);
    if (!key.equals(blob)) return Buffer.from([FAILURE]);
    return Buffer.concat([Buffer.from([SIGN_ANSWER]), string(signature(stringAt(request, 5 + key.length)))]);
  };
  const server = createServer((connection: Socket) => {
    let waiting = Buffer.alloc(0);
    connection.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE(0)) {
        const request = stringAt(waiting, 0);
        waiting = waiting.subarray(4 + request.length);
        connection.write(string(answer(request)));
      }
    });
  });
  server.listen(socket);
  await once(server, 'listening');
  t.after(() => server.close());
  return token;
}
