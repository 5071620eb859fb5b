// Stands in for prom-client's push gateway in the server's bundle: nothing is pushed, and the TLS library that it loads
// is a good part of the first scrape.
module.exports = class Pushgateway {
  constructor() {
    throw new Error('metrics are scraped, not pushed');
  }
};
