/** Puppets with an identity, and the honest packet that the cost of a hostile one is compared with. */
import type { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { rawIdentity } from "../connection/Duel.ts"
import { Puppet, type PuppetOptions } from "../connection/Puppet.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { Attack } from "./Attack.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { suite } from "../io.ts"

export const HONEST_PACKETS = 500

/** A client, if not told otherwise, that has not started yet. */
export const makePuppet = (random: SeededRandom, options: Partial<PuppetOptions> = {}): Puppet =>
  new Puppet({
    role: "client",
    suite,
    random: random.bytes,
    identity: rawIdentity(random),
    groups: [0x001d],
    ...options
  })

export const honestPackets = (puppet: Puppet, size = 1200): ReadonlyArray<Uint8Array> =>
  Array.from({ length: HONEST_PACKETS }, () => puppet.packet(Level.OneRtt, writePing, { size }))

/** The attacker of a run; `third` is the address of somebody else. */
export const makeAttacker = (attack: Attack, random: SeededRandom, third: SocketAddress): Puppet => {
  const { puppet, early } = attack
  const lies = typeof puppet === "function" ? puppet(third) : puppet
  const attacker = makePuppet(random, { role: attack.victim === "client" ? "server" : "client", ...lies })
  if (early === undefined) return attacker
  const receive = attacker.receive.bind(attacker)
  attacker.receive = (datagram) => {
    const couldSend = attacker.write[Level.OneRtt] !== undefined
    receive(datagram)
    if (!couldSend && attacker.write[Level.OneRtt] !== undefined) attacker.outbox.unshift(early(attacker))
  }
  return attacker
}

/** The attack's datagrams; a round can depend on the answers to those before. */
export const roundsOf = (
  { packets, rounds, spoofed }: Attack,
  stranger: () => Puppet,
  attacker: Puppet
): Iterable<ReadonlyArray<Uint8Array>> =>
  rounds?.(attacker) ?? [spoofed?.(stranger, attacker) ?? packets?.(attacker, stranger) ?? []]

export const sizeOf = (datagrams: ReadonlyArray<Uint8Array>): number =>
  datagrams.reduce((sum, { length }) => sum + length, 0)

/** Bytes in use by this thread, without garbage; buffers go a collection after what refers to them. */
export const bytesInUse = (): number => {
  for (let i = 0; i < 3; i++) globalThis.gc!()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const cell = new Int32Array(new SharedArrayBuffer(4))

/** CPU time of this thread so far. The system counts it when the thread stops running, and else every 4 ms. */
export const cpuMicros = (): number => {
  Atomics.wait(cell, 0, 0, 0.1)
  const { user, system } = process.threadCpuUsage()
  return user + system
}
