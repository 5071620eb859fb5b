// Stands in for prom-client's summaries in the server's bundle: there are histograms only, and the trees that summaries
// are made with would be loaded for nothing.
module.exports = class Summary {
  constructor() {
    throw new Error('there are no summaries');
  }
};
