// Stands in for mime-types in the server's bundle: the front end loads it for files and content negotiation, which
// this server has none of, and its tables are a good part of a cold start.
exports.lookup = () => false;
exports.contentType = () => false;
exports.extension = () => false;
exports.charset = () => false;
