import { Server } from 'hyper-express';

// Run as a program: `node bare-server.js <port>`.
const server = new Server();
server.post('/run', async (request, response) => {
  await request.buffer();
  response.header('Content-Type', 'application/json').send('{"hello":"world"}');
});
await server.listen(Number(process.argv[2]), '127.0.0.1');
