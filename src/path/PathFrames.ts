import type { FrameOwner } from "../recovery/FrameOwner.ts"
import type { SentFrames } from "../recovery/SentFrames.ts"
import type { ByteWriter } from "../wire/ByteWriter.ts"
import { FrameType } from "../wire/FrameType.ts"
import { writeMaxPathId, writePathFrame, writePathsBlocked } from "../wire/frameWriters.ts"

/** The type in four bytes or less, and two varints. */
const FRAME_BYTES = 2 + 8 + 8

const {
  PATH_ABANDON,
  PATH_STATUS_BACKUP,
  PATH_STATUS_AVAILABLE,
  MAX_PATH_ID,
  PATHS_BLOCKED,
  PATH_CIDS_BLOCKED
} = FrameType

type Type =
  | typeof PATH_ABANDON
  | typeof PATH_STATUS_BACKUP
  | typeof PATH_STATUS_AVAILABLE
  | typeof MAX_PATH_ID
  | typeof PATHS_BLOCKED
  | typeof PATH_CIDS_BLOCKED

/** A frame that has to arrive, until a later one says otherwise. */
interface Due {
  readonly type: Type
  readonly pathId: number
  readonly field: number
  state: "unsent" | "sent"
}

/**
 * The frames that manage paths; they are sent on any path that carries data. Of each path there is at most one of a kind,
 * the latest: an older one that was lost is not repeated. draft-ietf-quic-multipath §4
 */
export class PathFrames implements FrameOwner {
  /** By kind and path. */
  private due: Map<number, Due> = none
  private unsent = 0

  abandon(pathId: number, errorCode: number): void {
    this.add(PATH_ABANDON, pathId, errorCode)
  }

  status(pathId: number, sequence: number, isBackup: boolean): void {
    this.add(isBackup ? PATH_STATUS_BACKUP : PATH_STATUS_AVAILABLE, pathId, sequence)
  }

  maxPathId(maximum: number): void {
    this.add(MAX_PATH_ID, 0, maximum)
  }

  pathsBlocked(maximum: number): void {
    this.add(PATHS_BLOCKED, 0, maximum)
  }

  pathCidsBlocked(pathId: number, nextSequence: number): void {
    this.add(PATH_CIDS_BLOCKED, pathId, nextSequence)
  }

  /** There is no longer any need for frames about a path, except that it was abandoned. */
  forget(pathId: number): void {
    for (const type of [PATH_STATUS_BACKUP, PATH_CIDS_BLOCKED] as const) this.remove(keyOf(type, pathId))
  }

  /** The limit that PATHS_BLOCKED told of has risen. */
  onUnblocked(): void {
    this.remove(keyOf(PATHS_BLOCKED, 0))
  }

  /** Whether such a frame was sent, or is about to be, and has not been acknowledged. */
  hasToArrive(type: Type, pathId: number): boolean {
    return this.due.get(keyOf(type, pathId))?.type === type
  }

  hasFrames(): boolean {
    return this.unsent > 0
  }

  writeFrames(w: ByteWriter, sent: SentFrames): void {
    for (const frame of this.due.values()) {
      if (this.unsent === 0 || w.remaining < FRAME_BYTES) return
      if (frame.state === "sent") continue
      const { type, pathId, field } = frame
      if (type === MAX_PATH_ID) writeMaxPathId(w, field)
      else if (type === PATHS_BLOCKED) writePathsBlocked(w, field)
      else writePathFrame(w, type, pathId, field)
      sent.push(type, pathId, field)
      frame.state = "sent"
      this.unsent--
    }
  }

  onAcked(type: number, pathId: number, field: number): void {
    const key = keyOf(type, pathId)
    if (this.isLatest(key, type, field)) this.remove(key)
  }

  onLost(type: number, pathId: number, field: number): void {
    const key = keyOf(type, pathId)
    const frame = this.due.get(key)
    if (frame?.state !== "sent" || !this.isLatest(key, type, field)) return
    frame.state = "unsent"
    this.unsent++
  }

  private isLatest(key: number, type: number, field: number): boolean {
    const frame = this.due.get(key)
    return frame !== undefined && frame.type === type && frame.field === field
  }

  private add(type: Type, pathId: number, field: number): void {
    const key = keyOf(type, pathId)
    this.remove(key)
    // most connections have one path, and never any
    if (this.due === none) this.due = new Map()
    this.due.set(key, { type, pathId, field, state: "unsent" })
    this.unsent++
  }

  private remove(key: number): void {
    if (this.due.get(key)?.state === "unsent") this.unsent--
    this.due.delete(key)
  }
}

const none = new Map<number, Due>()

/** The same for both status frames: one replaces the other. */
const keyOf = (type: number, pathId: number): number =>
  pathId * 8 + (type === PATH_STATUS_AVAILABLE ? PATH_STATUS_BACKUP : type) - PATH_ABANDON
