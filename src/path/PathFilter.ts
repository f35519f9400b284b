import { ANY_PATH, avoidsPath, hintedPath, LOWEST_COST, type PathHint, prefersPath } from "./pathHint.ts"

/** A path as hints see it. */
export interface HintedPath {
  readonly id: number
  readonly maySend: boolean
  readonly status: { readonly carries: boolean; readonly cost: number }
  readonly recovery: { readonly rtt: { readonly smoothedMicros: number } }
}

/** What queues ask before each packet: which data may be sent in it. */
export interface HintFilter {
  admits(hint: PathHint): boolean
}

/** Admits everything: for a connection with one path. */
export const everything: HintFilter = { admits: () => true }

/**
 * Which data may be sent on the path that is asked now. Data with a hint goes to the best of the paths its hint allows,
 * whatever the scheduler says; what has none, and that whose hint no path satisfies, goes where the scheduler says.
 */
export class PathFilter<Path extends HintedPath> implements HintFilter {
  private readonly connection: { readonly all: ReadonlyArray<Path> }
  private path: Path | undefined = undefined
  /** The scheduler sends data on it. */
  private isChosen = true

  /** `connection`: all of its paths. */
  constructor(connection: { readonly all: ReadonlyArray<Path> }) {
    this.connection = connection
  }

  /** From now on it is about this path. */
  on(path: Path, isChosen: boolean): void {
    this.path = path
    this.isChosen = isChosen
  }

  /** From now on it is about what the scheduler decides on. */
  onAny(): void {
    this.path = undefined
  }

  admits(hint: PathHint): boolean {
    const { path } = this
    if (hint === ANY_PATH) return path === undefined || this.isChosen
    if (path === undefined) return false
    if (this.connection.all.length === 1) return true
    const satisfies = this.best(hint)
    return satisfies === undefined
      ? this.isChosen
      : satisfies === path || this.isAsGood(hint, satisfies, path)
  }

  /** A path that does what `hint` asks for; undefined if none that carries data does. */
  private best(hint: PathHint): Path | undefined {
    const paths = this.connection.all
    let best: Path | undefined
    for (let i = 0; i < paths.length; i++) {
      const path = paths[i]
      if (!path.status.carries || !path.maySend) continue
      if (prefersPath(hint) && path.id !== hintedPath(hint)) continue
      if (avoidsPath(hint) && path.id === hintedPath(hint)) continue
      if (best === undefined || measure(hint, path) < measure(hint, best)) best = path
    }
    return best
  }

  /** Whether `path` does what `hint` asks for as well as the best does. */
  private isAsGood(hint: PathHint, best: Path, path: Path): boolean {
    if (!path.status.carries || prefersPath(hint)) return false
    if (avoidsPath(hint)) return path.id !== hintedPath(hint)
    return hint === LOWEST_COST && path.status.cost === best.status.cost
  }
}

const measure = (hint: PathHint, { status, recovery }: HintedPath): number => {
  if (prefersPath(hint) || avoidsPath(hint)) return 0
  return hint === LOWEST_COST ? status.cost : recovery.rtt.smoothedMicros
}
