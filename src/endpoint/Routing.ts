import { keepBytes } from "../internal/keepBytes.ts"
import type { Stranger } from "../admission/Stranger.ts"
import type { ShardNumber } from "../capability/Shard.ts"
import { inShard } from "./shardOfId.ts"
import type { RandomBytes } from "../capability/CryptoSuite.ts"
import type { Connection } from "../connection/Connection.ts"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import { resetTokenOffset } from "../path/statelessReset.ts"
import type { PacketHeader } from "../wire/PacketHeader.ts"
import { KeyedTable } from "../internal/KeyedTable.ts"

/** The target of one of our connection IDs. */
export class Addressee {
  readonly connection: Connection
  readonly path: ConnectionPath
  /** The ID's sequence number on that path, or `INITIAL_DESTINATION`. */
  readonly sequence: number

  constructor(connection: Connection, path: ConnectionPath, sequence: number) {
    this.connection = connection
    this.path = path
    this.sequence = sequence
  }
}

/**
 * Finds the connection of a datagram: by its destination ID, or by the stateless reset token at its end.
 * RFC 9000 §5.2, §10.3.1
 */
export class Routing {
  private readonly random: RandomBytes
  private readonly idBytes: number
  private readonly shard: ShardNumber | undefined
  private readonly byId: KeyedTable<Addressee | Stranger<Connection>>
  /** By the tokens of the peers' active IDs. */
  private readonly byResetToken: KeyedTable<Connection>

  constructor(random: RandomBytes, idBytes: number, shard?: ShardNumber) {
    this.random = random
    this.shard = shard
    this.idBytes = idBytes
    this.byId = new KeyedTable(random)
    this.byResetToken = new KeyedTable(random)
  }

  /** Connection IDs routed to a connection or a stranger. */
  get ids(): number {
    return this.byId.size
  }

  /** Stateless reset tokens routed to a connection. */
  get tokens(): number {
    return this.byResetToken.size
  }

  /** The target of the packet in `bytes` that `header` describes. */
  find(
    bytes: Uint8Array,
    { dcidStart, dcidEnd }: PacketHeader
  ): Addressee | Stranger<Connection> | undefined {
    return this.byId.get(bytes, dcidStart, dcidEnd)
  }

  /** The connection that the datagram `bytes` would reset. */
  findReset(bytes: Uint8Array): Connection | undefined {
    const offset = resetTokenOffset(0, bytes.length)
    return offset < 0 ? undefined : this.byResetToken.get(bytes, offset, bytes.length)
  }

  /** Routes the random DCID of a stranger. */
  add(stranger: Stranger<Connection>): void {
    this.byId.add(stranger.introduction.destination, stranger)
  }

  remove(stranger: Stranger<Connection>): void {
    this.byId.remove(stranger.introduction.destination, stranger)
  }

  /** Applies the IDs and reset tokens added and removed. RFC 9000 §5.1.1 #2 */
  update(connection: Connection): void {
    for (const path of connection.paths) this.updatePath(connection, path)
    for (const path of connection.paths.takeRemoved()) this.updatePath(connection, path)
  }

  private updatePath(connection: Connection, path: ConnectionPath): void {
    const ids = path.localIds.takeChanges()
    if (ids !== undefined) {
      for (const { id, sequence } of ids.added) this.byId.add(id, new Addressee(connection, path, sequence))
      for (const id of ids.removed) this.removeId(id, connection)
    }
    const tokens = path.peerIds.takeTokenChanges()
    if (tokens === undefined) return
    for (const token of tokens.removed) this.byResetToken.remove(token, connection)
    // RFC 9000 §10.3.2: a token belongs to one ID, so if a peer reuses one for many connections, only the first is
    // reset
    for (const token of tokens.added) this.byResetToken.add(token, connection)
  }

  /** Removes the connection from the routing. */
  forget(connection: Connection): void {
    for (const { localIds, peerIds } of connection.paths) {
      localIds.clear()
      peerIds.clear()
    }
    this.update(connection)
  }

  /** RFC 9000 §5.1 #1 #2, §10.3.2 #2 #4: random, of one length, none of those in use. */
  newId(): Uint8Array {
    for (;;) {
      const id = keepBytes(inShard(this.random(this.idBytes), this.shard))
      if (!this.byId.has(id)) return id
    }
  }

  /** RFC 9000 §17.2.5.1 #1: not what the client sent to; §7.2: at least 8 bytes, as clients send Initials to it. */
  newRetrySource(originalDestination: Uint8Array): Uint8Array {
    for (;;) {
      const id = inShard(this.random(Math.max(8, this.idBytes)), this.shard)
      if (!this.byId.has(id) && id.some((byte, i) => byte !== originalDestination[i])) return id
    }
  }

  private removeId(id: Uint8Array, connection: Connection): void {
    const found = this.byId.get(id, 0, id.length)
    if (found instanceof Addressee && found.connection === connection) this.byId.remove(id, found)
  }
}
