/** Paths of one connection beyond that of the handshake, made by hand as long as no extension makes any. */
import type { Connection } from "../../src/connection/Connection.ts"
import { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

export const secondRemote: SocketAddress = { host: "198.51.100.1", port: 4433, family: 4 }

/** Path `id` of `connection`, over the endpoint's socket `id`; unknown to the connection until it is added. */
export const pathOf = ({ config }: Connection, id: number, nowMicros = 0): ConnectionPath =>
  new ConnectionPath(config, { id, remote: secondRemote, socket: id, addressValidated: true }, nowMicros)
