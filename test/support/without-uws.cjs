// Preloaded by NODE_OPTIONS: uWebSockets can't be loaded, as where glibc is too old for it.
const Module = require('node:module');

const load = Module._load;
Module._load = (name, ...rest) => {
  if (/uWebSockets(\.js|\/uws\.js)$/.test(name)) throw new Error("version `GLIBC_2.38' not found");
  return load(name, ...rest);
};
