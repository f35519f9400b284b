/** A deadline more overdue than this passed while the event loop was blocked: sockets were not read either. */
const LATE_MICROS = 10_000
/** The most datagrams libuv delivers per socket and turn; after a full burst there may be more. */
const SYSTEM_BURST = 32
/** Turns for which a flood may hold back deadlines: by then the largest receive buffer has been read. */
const MAX_HELD_TURNS = 128

/**
 * Whether deadlines may fire in this turn. Datagrams that arrived before a deadline have to be read first: an ACK in
 * the socket's buffer is not lost, and a handshake whose answer is there has not timed out.
 */
export class DeadlineGate {
  private heldTurns = 0

  /**
   * `received`: the most datagrams any socket delivered in this turn; `lateMicros`: how overdue the first deadline is.
   */
  mayFire(received: number, lateMicros: number): boolean {
    const isUnread = received >= SYSTEM_BURST || (lateMicros > LATE_MICROS && this.heldTurns === 0)
    if (lateMicros >= 0 && isUnread && this.heldTurns < MAX_HELD_TURNS) {
      this.heldTurns++
      return false
    }
    this.heldTurns = 0
    return true
  }
}
