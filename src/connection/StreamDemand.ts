import type { SendDemand } from "../capability/PathScheduling.ts"

/** The connection whose streams have something to send. */
export interface DemandingConnection {
  readonly streams: { unsentBytes(most: number): number; readonly creditBytes: number }
}

/** What the streams have to send, as schedulers see it. */
export class StreamDemand implements SendDemand {
  private readonly parts: DemandingConnection

  constructor(parts: DemandingConnection) {
    this.parts = parts
  }

  unsentBytes(most: number): number {
    return this.parts.streams.unsentBytes(most)
  }

  get creditBytes(): number {
    return this.parts.streams.creditBytes
  }
}
