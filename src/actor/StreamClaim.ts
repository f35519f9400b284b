/**
 * Takes incoming streams with priority over `accept`: `serveStreams`, or a protocol that recognises its own streams.
 */
export interface StreamClaim {
  /**
   * Takes the stream and the responsibility for it, or returns false to leave it to the next claim. Called once per
   * stream, outside the core.
   */
  offer(id: number): boolean
}
