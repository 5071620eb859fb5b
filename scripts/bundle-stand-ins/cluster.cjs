// Stands in for prom-client's registry of several processes in the server's bundle: this server is one process.
module.exports = class AggregatorRegistry {
  constructor() {
    throw new Error('there is one process');
  }
};
