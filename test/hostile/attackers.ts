/** Puppets with an identity, and the honest packet that the cost of a hostile one is compared with. */
import { suite } from "../../layers/node/NodeCryptoSuite.ts"
import type { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { rawIdentity } from "../connection/Duel.ts"
import { Puppet, type PuppetOptions } from "../connection/Puppet.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"

export const HONEST_PACKETS = 500

/** A client that has not started yet. */
export const makeClient = (random: SeededRandom, options: Partial<PuppetOptions> = {}): Puppet =>
  new Puppet({
    role: "client",
    suite,
    random: random.bytes,
    identity: rawIdentity(random),
    groups: [0x001d],
    ...options
  })

export const honestPackets = (puppet: Puppet): ReadonlyArray<Uint8Array> =>
  Array.from({ length: HONEST_PACKETS }, () => puppet.packet(Level.OneRtt, writePing, { size: 1200 }))

export const sizeOf = (datagrams: ReadonlyArray<Uint8Array>): number =>
  datagrams.reduce((sum, { length }) => sum + length, 0)

/** Bytes in use by this thread, without garbage; buffers go a collection after what refers to them. */
export const bytesInUse = (): number => {
  for (let i = 0; i < 3; i++) globalThis.gc!()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** CPU time of this thread so far. */
export const cpuMicros = (): number => {
  const { user, system } = process.threadCpuUsage()
  return user + system
}
