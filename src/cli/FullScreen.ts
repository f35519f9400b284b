/**
 * A program that has the whole terminal: the alternate screen, without a cursor, until its scope ends, however it ends.
 *
 * A frame is one write of the lines that differ from the frame before: nothing flickers, and little is sent over ssh.
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Terminal from "effect/Terminal"
import { width } from "./cells.ts"

export type Style = "plain" | "bold" | "dim" | "reverse"

export interface Line {
  readonly text: string
  readonly style: Style
}

/** An alternate screen; no cursor; what is too long for a line is cut by the terminal, should it be. */
const enter = "\x1b[?1049h\x1b[?25l\x1b[?7l"
const leave = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
/** A terminal that knows them shows what is between these at once. */
const beginFrame = "\x1b[?2026h"
const endFrame = "\x1b[?2026l"

const styles: Record<Style, string> = { plain: "", bold: "\x1b[1m", dim: "\x1b[2m", reverse: "\x1b[7m" }

const blank: Line = { text: "", style: "plain" }

/** What turns one frame into the other; a first frame has nothing before it. */
export const difference = (before: ReadonlyArray<Line> | undefined, now: ReadonlyArray<Line>): string => {
  let changes = before === undefined ? "\x1b[2J" : ""
  for (let i = 0; i < Math.max(now.length, before?.length ?? 0); i++) {
    const old = before?.[i] ?? blank
    const line = now[i] ?? blank
    if (old.text === line.text && old.style === line.style) continue
    // erasing the rest of a full line would take its last character along
    const rest = " ".repeat(Math.max(0, width(old.text) - width(line.text)))
    changes += `\x1b[${i + 1};1H${styles[line.style]}${line.text}\x1b[0m${rest}`
  }
  return changes === "" ? "" : beginFrame + changes + endFrame
}

export interface FullScreen {
  readonly draw: (lines: ReadonlyArray<Line>) => Effect.Effect<void, PlatformError>
  /** The next frame is drawn completely: the terminal has a new size, or another program wrote to it. */
  readonly forget: Effect.Effect<void>
}

/** Takes the terminal; gives it back at the end of the scope. */
export const fullScreen: Effect.Effect<FullScreen, PlatformError, Terminal.Terminal | Scope.Scope> =
  Effect.gen(function* () {
    const { display } = yield* Terminal.Terminal
    yield* Effect.acquireRelease(display(enter), () => Effect.ignore(display(leave)))
    let drawn: ReadonlyArray<Line> | undefined
    return {
      draw: (lines) =>
        Effect.suspend(() => {
          const changes = difference(drawn, lines)
          drawn = lines
          return changes === "" ? Effect.void : display(changes)
        }),
      forget: Effect.sync(() => {
        drawn = undefined
      })
    }
  })
