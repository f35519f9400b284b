/** Runs an attack against an endpoint without I/O, in virtual time. */
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { Puppet } from "../connection/Puppet.ts"
import type { Attack, Measured } from "./Attack.ts"
import {
  bytesInUse,
  cpuMicros,
  honestPackets,
  makeAttacker,
  makePuppet,
  roundsOf,
  sizeOf
} from "./attackers.ts"
import { CoreVictim } from "./CoreVictim.ts"
import { firstObeyed, recordsOf } from "./forged.ts"

const addressOf = (n: number): SocketAddress => ({
  host: `198.51.100.${1 + (n % 250)}`,
  port: 10_000 + n,
  family: 4
})
const OLD = addressOf(9_000)
const NEW = addressOf(9_001)
const ATTACKER = addressOf(9_002)
const THIRD = addressOf(9_003)

/** Whether a new client gets in, and an old one is still answered. */
const unserved = (victim: CoreVictim, random: SeededRandom, old: Puppet): string | undefined => {
  const fresh = makePuppet(random)
  victim.shakeHands(fresh, NEW)
  if (!fresh.complete) return `a new client was not served: ${fresh.failedWith ?? "no answer"}`
  const before = old.seen.named("onAck").length
  for (const ping of honestPackets(old).slice(0, 2)) old.outbox.push(ping)
  victim.exchange(old, OLD)
  victim.answers = []
  victim.wait(100_000)
  for (const bytes of victim.answers) old.receive(bytes)
  return old.seen.named("onAck").length > before ? undefined : "an established client was not answered"
}

const microsOf = (
  victim: CoreVictim,
  datagrams: ReadonlyArray<Uint8Array>,
  from: (n: number) => SocketAddress
): number => {
  const before = cpuMicros()
  for (const [n, datagram] of datagrams.entries()) victim.deliver(datagram, from(n))
  return cpuMicros() - before
}

export const runAtCore = (attack: Attack): Measured => {
  const random = new SeededRandom(attack.name)
  const victim = new CoreVictim(random.fork("victim"), attack)
  const honest = makePuppet(random.fork("honest"))
  victim.shakeHands(honest, OLD)
  let attacker = makeAttacker(attack, random.fork("attacker"), THIRD)
  // twice, as the first run is that of cold code
  microsOf(victim, honestPackets(honest, attack.packetBytes), () => OLD)
  const ordinary = honestPackets(honest, attack.packetBytes)
  const honestMicrosPerPacket = microsOf(victim, ordinary, () => OLD) / ordinary.length
  victim.shakeHands(attacker, ATTACKER)
  let nth = 0
  const stranger = () => makePuppet(random.fork(`stranger ${nth++}`))
  const isSpoofed = attack.spoofed !== undefined
  const sent: Array<ReadonlyArray<Uint8Array>> = []
  let bytesHeld = 0
  let micros = 0
  victim.bytesOut = 0
  victim.answers = []
  for (const datagrams of roundsOf(attack, stranger, attacker)) {
    sent.push(datagrams)
    // what the attacker keeps between the rounds is not the victim's
    const before = bytesInUse()
    micros += microsOf(victim, datagrams, isSpoofed ? addressOf : () => ATTACKER)
    bytesHeld += bytesInUse() - before
    if (!isSpoofed) for (const bytes of victim.answers.splice(0)) attacker.receive(bytes)
  }
  const { visits = 0 } = attack
  const delivered = victim.delivered
  const beforeVisits = bytesInUse()
  for (let i = 0; i < visits; i++) {
    attacker = makeAttacker(attack, random.fork(`attacker ${i}`), THIRD)
    victim.shakeHands(attacker, ATTACKER)
  }
  if (visits > 0) {
    bytesHeld += bytesInUse() - beforeVisits
    micros = victim.verifyMicros
  }
  const packets = sent.flat().length + victim.delivered - delivered
  const { bytesOut } = victim
  for (let i = 0; i < 20; i++) victim.wait(100_000)
  const { bytesAstray } = victim
  return {
    bytesHeld: Math.max(0, bytesHeld),
    cpuMicrosPerPacket: micros / Math.max(1, packets),
    honestMicrosPerPacket,
    bytesIn: sizeOf(sent.flat()),
    bytesOut,
    bytesAstray,
    closed: attacker.seen.close?.code,
    forgedLog: firstObeyed(victim.qlogs.flatMap(recordsOf)),
    unserved: unserved(victim, random.fork("fresh"), honest)
  }
}
