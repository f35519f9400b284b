/** A deadline seen later than this passed while nobody looked: the system was not asked for datagrams either. */
const LATE_MICROS = 10_000
/** What a system hands over at a time (libuv: 32): having given as many, it may have more. */
const SYSTEM_BURST = 32
/** A flood does not keep deadlines from firing: after this many turns the largest receive buffer has been read. */
const MOST_HELD_TURNS = 128

/**
 * Whether deadlines may fire in a turn. What arrived before a deadline has to be read before it: the acknowledgement
 * that waits in the socket's buffer is not lost, and the handshake whose answer does has not timed out.
 */
export class DeadlineGate {
  private heldTurns = 0

  /** `received`: the most any socket handed over in this turn; `lateMicros`: for how long the first deadline is due. */
  mayFire(received: number, lateMicros: number): boolean {
    const isUnread = received >= SYSTEM_BURST || (lateMicros > LATE_MICROS && this.heldTurns === 0)
    if (lateMicros >= 0 && isUnread && this.heldTurns < MOST_HELD_TURNS) {
      this.heldTurns++
      return false
    }
    this.heldTurns = 0
    return true
  }
}
