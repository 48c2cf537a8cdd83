import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

/*
 * A web server for tests. It is a separate process, because a test waits for curl and cannot answer meanwhile. It
 * serves FOLDER on a free port, and prints the port. The first part of a path selects its behaviour; /stats returns
 * what it has sent.
 */
const [folder = '.'] = process.argv.slice(2);
const stats = { connections: 0, requests: 0, bytes: 0, cuts: 0 };

const server = createServer((request, response) => {
  const [, mode = '', ...rest] = (request.url ?? '').split('/');
  if (mode === 'stats') {
    response.end(JSON.stringify(stats));
    Object.assign(stats, { connections: 0, requests: 0, bytes: 0, cuts: 0 });
    return;
  }
  stats.requests++;
  const path = join(folder, rest.join('/'));
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    response.writeHead(404).end('none');
    return;
  }
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const ranged = from !== undefined && mode !== 'none';
  let [start, end] = ranged ? [Number(from), Math.min(Number(to), size - 1)] : [0, size - 1];
  if (mode === 'redirect') {
    response.writeHead(302, { location: `http://elsewhere.invalid/${rest.join('/')}` }).end();
    return;
  }
  if (mode === 'stall') {
    response.writeHead(200, { 'content-length': size }).write('x');
    return;
  }
  if (mode === 'endless') {
    response.writeHead(200);
    const more = () => {
      while (response.write(Buffer.alloc(65_536))) stats.bytes += 65_536;
    };
    response.on('drain', more);
    more();
    return;
  }
  // Announces the right range, but sends another one of the same length.
  if (mode === 'lies' && ranged && start > 0) [start, end] = [start - 1, end - 1];
  const length = end - start + 1;
  response.writeHead(ranged ? 206 : 200, {
    'content-length': length,
    ...(ranged ? { 'content-range': `bytes ${start}-${end}/${size}` } : {}),
  });
  // Every fifth answer of some length breaks off in the middle.
  if (mode === 'cut' && length > 10_000 && ++stats.cuts % 5 === 0) {
    response.write(Buffer.alloc(5000), () => response.destroy());
    return;
  }
  stats.bytes += length;
  if (length === 0) response.end();
  else createReadStream(path, { start, end }).pipe(response);
});
server.on('connection', () => {
  stats.connections++;
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(typeof address === 'object' ? address?.port : '');
});
