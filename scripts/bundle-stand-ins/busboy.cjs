// Stands in for busboy in the server's bundle: the front end loads it for multipart forms, which this server takes as
// bytes like any other body.
module.exports = () => {
  throw new Error('multipart forms are not read');
};
