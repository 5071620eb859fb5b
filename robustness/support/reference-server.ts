import { createServer } from 'node:http';

// A server that only answers: how late it is says how busy the machine is. `node reference-server.js`, then its port
// comes on stdout; it ends with its stdin.
const server = createServer((_, response) => response.end('ok'));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address !== 'string') process.stdout.write(`${address.port}\n`);
});
process.stdin.resume().once('end', () => process.exit(0));
