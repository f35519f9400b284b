/**
 * Finds a direct path for a connection that goes through a relay, and finds another one when that is lost.
 *
 * Pure: it is told of what happens by `handle…`, acts on its port in `drive` alone, and says when to call that next. A round
 * is begun by the client, which has the server reach out to its addresses while it probes those of the server; the
 * server takes part in whatever round it is asked for. draft-bruynooghe-n0-quic-nat-traversal-00
 */
import { Backoff } from "../internal/Backoff.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { SocketNumber } from "../path/Route.ts"
import { AddressScope, addressScope } from "../wire/addressScope.ts"
import { formatAddress, sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { Advertisements } from "./Advertisements.ts"
import { CandidatePairs, CandidatePair, BEST_PAIRS } from "./CandidatePairs.ts"
import type { OwnAddresses } from "./CandidateSource.ts"
import { PhaseLog, type TraversalCounts } from "./PhaseLog.ts"
import { type Phase, type PhaseChange, type PhaseReason, phaseMillis } from "./phases.ts"
import { candidateOf } from "./candidates.ts"
import { scopeRefusal } from "./probeScope.ts"
import { NamedCandidates } from "./NamedCandidates.ts"
import { RemoteCandidates } from "./RemoteCandidates.ts"
import type { TraversalPort } from "./TraversalPort.ts"
import type { OpenRequest, SessionOptions } from "./sessionOptions.ts"
import { type Round, roundOf } from "./Round.ts"

const NEVER = Number.POSITIVE_INFINITY
/** Between batches of probes to addresses not probed yet. RFC 8445 §14.2 */
const PACE_MICROS = 50_000
/** A better pair may be answered so much later than the first one. */
const GRACE_MICROS = 50_000
/** Once others have told an address, how long more of them are waited for. */
const SETTLE_MICROS = 500_000
/** The addresses of a round arrive in one packet, or the next. */
const COLLECT_MICROS = 5_000
/** Addresses of either side may change at any time: rounds are at least so far apart. */
const LEAST_GAP_MICROS = 1_000_000
/** A direct path that was lost sooner is no success: the next attempt waits. */
const LASTING_MICROS = 10_000_000
/** Addresses of a client's round that are taken, if not more are configured: it need not keep to our limit. */
const LEAST_TAKEN = 32

export class TraversalSession {
  readonly pairs: CandidatePairs
  readonly remotes: RemoteCandidates
  private readonly port: TraversalPort
  private readonly options: SessionOptions
  private readonly log: PhaseLog
  private readonly backoff: Backoff
  private readonly own: NamedCandidates
  private readonly advertised = new Advertisements()
  private addresses: OwnAddresses | undefined = undefined
  private current: Round = roundOf(0, -NEVER)
  /** Since when there is a direct path; infinite while there is none. */
  private directSinceMicros = NEVER
  /** The end of the phase; of `Failed`, when the client tries again. */
  private endMicros: number
  /** When the phase has something to do before that. */
  private dueMicros = NEVER
  /** A side has other addresses than in the attempt that failed. */
  private hasNews = false
  /** A path is being opened there. */
  private opening: CandidatePair | undefined = undefined
  private request: OpenRequest | undefined = undefined

  constructor(port: TraversalPort, options: SessionOptions, nowMicros: number) {
    this.port = port
    this.options = options
    this.pairs = new CandidatePairs(port.role)
    this.remotes = new RemoteCandidates(Math.max(LEAST_TAKEN, options.maxCandidates), options.scope)
    this.log = new PhaseLog(nowMicros)
    this.backoff = new Backoff(() => fraction(options.random))
    this.own = new NamedCandidates({
      predictsPorts: options.predictPorts,
      isSecret: (address) => options.scope().isRelayed(address)
    })
    this.endMicros = nowMicros + 1000 * phaseMillis("Discovery", 0, NEVER)
  }

  get phase(): Phase {
    return this.log.state
  }

  /** Of the last attempt, from 1; 0 before the first. */
  get round(): number {
    return this.current.number
  }

  get counts(): TraversalCounts {
    return this.log.counts
  }

  /** What this side names to the peer, the best first. */
  get named(): ReadonlyArray<SocketAddress> {
    return this.own.named
  }

  /** When to call `drive` at the latest; infinite while only events can change anything. */
  get deadlineMicros(): number {
    return this.port.maxCandidates === 0 ? NEVER : Math.min(this.endMicros, this.dueMicros)
  }

  /** The oldest transition that was not polled. */
  pollChange(): PhaseChange | undefined {
    return this.log.poll()
  }

  /** client: where to open a path now. */
  pollOpen(): OpenRequest | undefined {
    const { request } = this
    this.request = undefined
    return request
  }

  // — what happens: call `drive` after it ——————————————————————————————————————————————————————————————————————

  /** This side's addresses, at first and after each change. */
  handleOwnAddresses(addresses: OwnAddresses, nowMicros: number): void {
    this.addresses = addresses
    if (this.updateOwn(nowMicros)) this.backoff.reset()
    this.dueMicros = nowMicros
  }

  handleAdvertised(seq: number, address: SocketAddress, nowMicros: number): void {
    if (this.remotes.advertise(seq, address)) this.onNews(nowMicros)
  }

  handleWithdrawn(seq: number, nowMicros: number): void {
    const address = this.remotes.withdraw(seq)
    if (address === undefined) return
    this.pairs.keepRemotes((other) => !sameAddress(other, address))
    this.dueMicros = nowMicros
  }

  handleReachOut(round: number, address: SocketAddress, nowMicros: number): void {
    if (this.port.role === "client" || round < this.current.number) return
    if (round > this.current.number || this.current.startMicros === -NEVER) {
      this.current = { ...roundOf(round, nowMicros), isAsked: true }
      this.remotes.startRound()
    }
    if (this.remotes.reachOut(address)) this.onNews(nowMicros)
  }

  handlePeerProbe(remote: SocketAddress, nowMicros: number): void {
    if (this.remotes.sendsFrom(remote, nowMicros)) this.onNews(nowMicros)
    if (this.phase === "Synchronization") this.dueMicros = nowMicros
  }

  handleProbeAnswered(
    remote: SocketAddress,
    socket: SocketNumber,
    rttMicros: number,
    nowMicros: number
  ): void {
    const pair = this.pairs.at(remote, socket) ?? this.pairSeen(remote, socket, nowMicros)
    if (pair?.to("Succeeded") !== true) return
    pair.roundTripMicros = rttMicros
    this.dueMicros = nowMicros
  }

  handleProbeFailed(remote: SocketAddress, socket: SocketNumber, nowMicros: number): void {
    if (this.pairs.at(remote, socket)?.to("Failed") === true) this.dueMicros = nowMicros
  }

  /** A path that is not relayed can be used, or another one. Not to be called by the connection itself, nor the next two. */
  handleDirectUp(nowMicros: number): void {
    this.directSinceMicros = Math.min(this.directSinceMicros, nowMicros)
    const isPunched = this.phase === "Validation" || this.phase === "Punching"
    this.enter("Connected", isPunched ? "pathValidated" : "alreadyDirect", nowMicros)
  }

  /** No such path can be used any more. */
  handleDirectDown(nowMicros: number): void {
    const hasLasted = nowMicros - this.directSinceMicros >= LASTING_MICROS
    this.directSinceMicros = NEVER
    if (this.phase !== "Connected") return
    if (hasLasted) this.backoff.reset()
    this.remotes.forgetReflexive()
    this.enter(hasLasted ? "Discovery" : "Failed", "pathLost", nowMicros)
  }

  /** client: no path could be opened where `pollOpen` said. */
  handleOpenFailed(nowMicros: number): void {
    this.opening?.giveUp()
    this.opening = undefined
    this.dueMicros = nowMicros
  }

  // — what is done about it ————————————————————————————————————————————————————————————————————————————————————

  /** Does what is due. Does nothing until the peer is known to take part. */
  drive(nowMicros: number): void {
    const { port } = this
    this.dueMicros = NEVER
    if (port.maxCandidates === 0) return
    this.updateOwn(nowMicros)
    // every phase that is entered here waits for something, or for a later time
    for (let before: Phase | undefined; before !== this.phase; ) {
      before = this.phase
      this.step(nowMicros)
    }
    if (port.role === "client") this.reachOut()
    else if (this.phase !== "Discovery") this.advertised.sync(port, this.own.named)
  }

  private step(nowMicros: number): void {
    if (this.current.isAsked && this.enter("Synchronization", "askedByPeer", nowMicros)) return
    switch (this.phase) {
      case "Discovery":
        return this.discover(nowMicros)
      case "Coordination":
        return this.coordinate(nowMicros)
      case "Synchronization":
        return this.synchronize(nowMicros)
      case "Punching":
        return this.punch(nowMicros)
      case "Validation":
        return this.validate(nowMicros)
      case "Failed":
        return this.wait(nowMicros)
    }
  }

  private discover(nowMicros: number): void {
    const { own, endMicros } = this
    const isLate = nowMicros >= endMicros
    const isKnown = own.named.length > 0 || this.remotes.count > 0
    const settledMicros = own.isGathering ? own.reflexiveSinceMicros + SETTLE_MICROS : -NEVER
    const readyMicros = Math.min(settledMicros, endMicros)
    if (isKnown && nowMicros >= readyMicros)
      this.enter("Coordination", nowMicros >= settledMicros ? "gathered" : "timeout", nowMicros)
    else if (isLate) this.enter("Failed", "noCandidates", nowMicros)
    else if (isKnown) this.dueMicros = readyMicros
  }

  private coordinate(nowMicros: number): void {
    const isLate = nowMicros >= this.endMicros
    if (this.port.role === "server") {
      if (isLate) this.enter("Failed", "notAsked", nowMicros)
    } else if (this.remotes.count > 0) this.enter("Synchronization", "candidatesExchanged", nowMicros)
    // the server may find us still
    else if (isLate && this.own.named.length > 0) this.enter("Synchronization", "timeout", nowMicros)
    else if (isLate) this.enter("Failed", "noCandidates", nowMicros)
  }

  private synchronize(nowMicros: number): void {
    const { startMicros } = this.current
    const waitMicros = this.port.role === "server" ? COLLECT_MICROS : this.options.roundTripMicros() / 2
    const alignedMicros = startMicros + waitMicros
    if (this.remotes.probedMicros >= startMicros) this.enter("Punching", "peerProbed", nowMicros)
    else if (nowMicros >= alignedMicros) this.enter("Punching", "aligned", nowMicros)
    else if (nowMicros >= this.endMicros) this.enter("Punching", "timeout", nowMicros)
    else this.dueMicros = alignedMicros
  }

  private punch(nowMicros: number): void {
    const { best } = this.pairs
    const isLate = nowMicros >= this.endMicros
    if (best !== undefined && (isLate || this.isSettled(best, nowMicros)))
      this.enter("Validation", "probeAnswered", nowMicros)
    else if (isLate) this.giveUp("noAnswer", nowMicros)
    else this.probe(nowMicros)
  }

  /** Begins the best pairs, some at a time. */
  private probe(nowMicros: number): void {
    const { pairs, current, own } = this
    if (nowMicros >= current.paceMicros) {
      const batch = pairs.nextWaiting(
        this.options.maxConcurrentAttempts,
        own.isPredicted ? isPublic : undefined
      )
      for (const pair of batch) {
        pair.to("InProgress")
        this.port.probe(pair.remote.address, pair.local.socket, nowMicros)
      }
      if (batch.length > 0) current.paceMicros = nowMicros + PACE_MICROS
    }
    if (pairs.count("Waiting") > 0) this.dueMicros = Math.min(this.dueMicros, current.paceMicros)
  }

  /** Whether no better pair is worth waiting for. */
  private isSettled(best: CandidatePair, nowMicros: number): boolean {
    if (this.port.role === "server") return true
    const { current, pairs } = this
    const better = pairs.all.slice(0, Math.min(BEST_PAIRS, pairs.all.indexOf(best)))
    if (better.every(({ state }) => state !== "InProgress" && state !== "Waiting")) return true
    current.graceMicros = Math.min(current.graceMicros, nowMicros + GRACE_MICROS)
    if (nowMicros < current.graceMicros) this.dueMicros = Math.min(this.dueMicros, current.graceMicros)
    return nowMicros >= current.graceMicros
  }

  private validate(nowMicros: number): void {
    const isClient = this.port.role === "client"
    if (isClient && this.opening === undefined && nowMicros < this.endMicros) this.openBest()
    const isHopeless = isClient && this.opening === undefined
    if (isHopeless || nowMicros >= this.endMicros) this.giveUp("notValidated", nowMicros)
  }

  private openBest(): void {
    const { best } = this.pairs
    if (best === undefined) return
    this.opening = best
    const { remote, local, roundTripMicros = 0 } = best
    this.request = { remote: remote.address, socket: local.socket, roundTripMicros }
  }

  private giveUp(reason: PhaseReason, nowMicros: number): void {
    if (this.directSinceMicros !== NEVER) this.enter("Connected", "alreadyDirect", nowMicros)
    else this.enter("Failed", reason, nowMicros)
  }

  private wait(nowMicros: number): void {
    if (nowMicros >= this.endMicros) return void this.enter("Discovery", "retry", nowMicros)
    if (!this.hasNews) return
    const soonMicros = this.current.startMicros + LEAST_GAP_MICROS
    if (nowMicros >= soonMicros) this.enter("Discovery", "candidatesChanged", nowMicros)
    else this.dueMicros = soonMicros
  }

  /** client: has the server reach out to those of this round that it has not been told of. */
  private reachOut(): void {
    if (this.phase !== "Synchronization" && this.phase !== "Punching") return
    const { told, number } = this.current
    const fresh = this.own.named.filter((address) => !told.has(formatAddress(address)))
    if (fresh.length === 0) return
    for (const address of fresh) told.add(formatAddress(address))
    this.port.reachOut(number, fresh)
  }

  /** What is named depends on how much the peer takes. */
  private updateOwn(nowMicros: number): boolean {
    if (this.addresses === undefined) return false
    const most = this.port.maxCandidates === 0 ? NEVER : this.port.maxCandidates
    const max = Math.min(this.options.maxCandidates, most)
    if (!this.own.update(this.addresses, max, nowMicros)) return false
    this.onNews(nowMicros)
    return true
  }

  /** There is another address, on either side. */
  private onNews(nowMicros: number): void {
    this.hasNews = true
    if (this.phase === "Punching") this.pair()
    this.dueMicros = nowMicros
  }

  private pair(): void {
    const { sockets } = this.own
    for (const remote of this.remotes.all) this.pairs.addRemote(remote, sockets)
  }

  /** The core has probed back by itself, from where the peer's probe has arrived: an address of a socket that has several. */
  private pairSeen(
    remote: SocketAddress,
    socket: SocketNumber,
    nowMicros: number
  ): CandidatePair | undefined {
    const local = this.own.sockets.find(({ address }) => address.family === remote.family)
    if (local === undefined || scopeRefusal(remote, this.options.scope()) !== undefined) return undefined
    this.remotes.sendsFrom(remote, nowMicros)
    const seen = candidateOf("peerReflexive", remote)
    return this.pairs.add(new CandidatePair({ ...local, socket }, seen, this.port.role))
  }

  private enter(to: Phase, reason: PhaseReason, nowMicros: number): boolean {
    const { port, pairs } = this
    const isNext = to === "Synchronization" && port.role === "client"
    if (!this.log.enter(to, reason, isNext ? this.round + 1 : this.round, nowMicros)) return false
    if (isNext) this.current = roundOf(this.round + 1, nowMicros)
    this.current.isAsked = false
    this.opening = undefined
    if (to === "Synchronization" || to === "Failed") this.hasNews = false
    const { coordinationTimeoutMillis } = this.options
    const retryMillis = to === "Failed" && port.role === "client" ? this.backoff.nextMillis() : NEVER
    this.endMicros = nowMicros + 1000 * phaseMillis(to, coordinationTimeoutMillis, retryMillis)
    if (to === "Synchronization") {
      port.cancelProbes()
      pairs.restart()
    } else if (to === "Punching") {
      const remotes = this.remotes.all
      pairs.keepRemotes((address) => remotes.some((remote) => sameAddress(remote.address, address)))
      this.pair()
      for (const guess of this.remotes.guesses(this.options.random)) pairs.addRemote(guess, this.own.sockets)
    } else if (to === "Connected" || to === "Failed") {
      port.cancelProbes()
      pairs.cancel()
    }
    return true
  }
}

/** From 0 to 1. */
const fraction = (random: RandomBytes): number => {
  const [high, low] = random(2)
  return ((high << 8) | low) / 2 ** 16
}

/** Each address that is probed takes a port of a NAT that counts: those that matter get the ones that were predicted. */
const isPublic = ({ remote }: CandidatePair): boolean => addressScope(remote.address) === AddressScope.global
