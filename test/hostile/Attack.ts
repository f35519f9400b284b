/** A known attack on QUIC implementations, carried out the same way against the core and over real sockets. */
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { RetryPolicy } from "../../src/admission/Admission.ts"
import type { Puppet, PuppetOptions } from "../connection/Puppet.ts"

export interface Attack {
  /** Its class. */
  readonly name: string
  /** The CVE, or else the section of the RFC that warns of it. */
  readonly reference: string
  /** Who is attacked: an endpoint as a server, by default, or as a client which has connected to the attacker. */
  readonly victim?: "client"
  /** The victim's policy; `underLoad` by default. */
  readonly retry?: RetryPolicy
  /** A client: the only authorities whose certificates it accepts, in DER. */
  readonly trusts?: ReadonlyArray<Uint8Array>
  /** A client: how often it comes; it is these handshakes that are the attack. */
  readonly visits?: number
  /** Lies told in the handshake, perhaps about a third party. */
  readonly puppet?: Partial<PuppetOptions> | ((third: SocketAddress) => Partial<PuppetOptions>)
  /** Sent as soon as there are keys for 1-RTT packets, ahead of what the handshake needs. */
  readonly early?: (attacker: Puppet) => Uint8Array
  /** Sent by a peer after its handshake, if it gets that far. */
  readonly packets?: (attacker: Puppet, stranger: () => Puppet) => ReadonlyArray<Uint8Array>
  /** The same, of a peer that reads the answers to each round before it begins the next. */
  readonly rounds?: (attacker: Puppet) => Iterable<ReadonlyArray<Uint8Array>>
  /** Sent by strangers from many addresses, without any handshake, after a peer has had its own. */
  readonly spoofed?: (stranger: () => Puppet, attacker: Puppet) => ReadonlyArray<Uint8Array>
  /** How the victim must end the attacker's connection, one or the other; whether it does is up to it when left out. */
  readonly closes?: number | ReadonlyArray<number>
  /** Whether everything that shows text is asked to show what the attacker has said: logs, qlog, the command line. */
  readonly isWatched?: boolean
  /** Bytes of a packet, which the honest ones it is compared with have too: large ones come few at a time; 1200 by default. */
  readonly packetBytes?: number
  /** A packet may cost that many times what an honest one costs in the same run; 10 by default. */
  readonly costFactor?: number
  /** Bytes the victim may hold; `MAX_BYTES_HELD` by default. */
  readonly mayHold?: number
  /** Bytes answered to strangers for each of theirs: 3 by default, the limit of RFC 9000 §8.1 #2 for a handshake. */
  readonly amplifies?: number
  /** Bytes the victim may send to a third party, whose address the attacker only knows; none by default. */
  readonly mayStray?: number
}

/** What every victim offers: as much as there is to attack. */
export const victimTransport = {
  maxDatagramFrameBytes: 1200,
  maxPaths: 3,
  maxRemoteCandidates: 60,
  addressDiscovery: "both"
} as const

/** What a run of an attack has been measured at. */
export interface Measured {
  readonly bytesHeld: number
  readonly cpuMicrosPerPacket: number
  readonly honestMicrosPerPacket: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Sent to somebody who has sent nothing. */
  readonly bytesAstray: number
  /** Code the attacker's connection was closed with. */
  readonly closed: number | undefined
  /** A line of a log, a qlog or the command line in which a peer's control characters survived. */
  readonly forgedLog: string | undefined
  /** Why honest peers were not served; undefined if they were. */
  readonly unserved: string | undefined
}

export interface Row {
  readonly attack: string
  readonly reference: string
  readonly where: "core" | "live"
  readonly result: "pass" | "fail"
  readonly bytesHeld: number
  readonly cpuMicrosPerPacket: number
  readonly reason: string
}

/** Unless it opens handshakes, no attack of a thousand packets may make the victim keep more than this, which includes the noise of a heap. */
export const MAX_BYTES_HELD = 2_000_000

/** Below this a ratio of CPU times says nothing. */
const NEGLIGIBLE_MICROS = 50

export const judge = (attack: Attack, where: Row["where"], measured: Measured): Row => {
  const { bytesHeld, cpuMicrosPerPacket, honestMicrosPerPacket, bytesIn, bytesOut, bytesAstray, closed } =
    measured
  const { costFactor = 10, closes, mayHold = MAX_BYTES_HELD, amplifies = 3, mayStray = 0 } = attack
  const bound = Math.max(NEGLIGIBLE_MICROS, costFactor * honestMicrosPerPacket)
  const wrong: Array<string> = []
  if (measured.unserved !== undefined) wrong.push(`honest peers: ${measured.unserved}`)
  if (bytesHeld > mayHold) wrong.push(`${bytesHeld} bytes held`)
  if (cpuMicrosPerPacket > bound)
    wrong.push(`${cpuMicrosPerPacket.toFixed(1)} µs per packet, at most ${bound.toFixed(1)} expected`)
  if (measured.forgedLog !== undefined) wrong.push(`showed ${JSON.stringify(measured.forgedLog)}`)
  if (attack.spoofed !== undefined && bytesOut > amplifies * bytesIn)
    wrong.push(`amplified ${bytesIn} bytes to ${bytesOut}`)
  if (bytesAstray > mayStray) wrong.push(`${bytesAstray} bytes sent to a third party`)
  const codes = typeof closes === "number" ? [closes] : closes
  if (codes?.includes(closed ?? -1) === false)
    wrong.push(`closed with ${closed ?? "nothing"}, not ${codes.join(" or ")}`)
  return {
    attack: attack.name,
    reference: attack.reference,
    where,
    result: wrong.length === 0 ? "pass" : "fail",
    bytesHeld,
    cpuMicrosPerPacket: Math.round(cpuMicrosPerPacket * 10) / 10,
    reason: wrong.join("; ")
  }
}
