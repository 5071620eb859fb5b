import { RawConnection as Connection } from '../../conformance/target/raw-connection.js';

/** A connection to a server of this machine that sends any bytes and reads answers one by one. */
export type RawConnection = Connection;
export const RawConnection = {
  open: (port: number): Promise<Connection> => Connection.open('127.0.0.1', port),
};
