// Preloaded into the server by NODE_OPTIONS: whoever connects to the socket of HYPERSKELETON_CHAOS_SOCKET makes one
// worker thread die of an exception of its own, as it would of a fault in it. A thread that is terminated from
// outside may be in the middle of a native call, which is no fault that can happen by itself.
import net = require('node:net');
import threads = require('node:worker_threads');

const CHANNEL = 'hyperskeleton-chaos';
const path = process.env.HYPERSKELETON_CHAOS_SOCKET;

if (threads.isMainThread && path !== undefined) {
  const channel = new threads.BroadcastChannel(CHANNEL);
  channel.unref();
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (choice) => {
      channel.postMessage(Number(choice.toString()));
      socket.end();
    });
  });
  server.listen(path).unref();
} else if (!threads.isMainThread) {
  const channel = new threads.BroadcastChannel(CHANNEL);
  channel.unref();
  channel.onmessage = (event: unknown): void => {
    const { data } = event as { data: number };
    // Threads are numbered from 1 on and by those that took the places of dead ones: half of them die.
    if (threads.threadId % 2 === data % 2) throw new Error('chaos: this worker thread dies');
  };
}
