/** Lines on standard error that are drawn again and again while something goes on, shown only on a terminal. */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"

const redrawMillis = 100
const eraseRestOfLine = "\x1b[K"
const eraseBelow = "\x1b[J"

/** From the end of a picture of that many lines to where it begins. */
const home = (lines: number): string => (lines < 2 ? "\r" : `\x1b[${lines - 1}A\r`)

/** Runs `effect` with what `frame` draws in `columns` cells, no line longer than that; it is erased at the end. */
export const withPicture = Effect.fnUntraced(function* <A, E, R>(
  frame: (columns: number) => ReadonlyArray<string>,
  effect: Effect.Effect<A, E, R>
): Effect.fn.Return<A, E, R | Stdio.Stdio | Terminal.Terminal> {
  const stdio = yield* Stdio.Stdio
  const { columns } = yield* Terminal.Terminal
  if (!(yield* stdio.stderrIsTerminal)) return yield* effect
  let drawn = 1
  const print = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr()))
  const draw = Effect.flatMap(columns, (width) => {
    const lines = frame(width)
    const picture = home(drawn) + lines.map((line) => line + eraseRestOfLine).join("\n")
    drawn = lines.length
    return print(picture)
  })
  const drawing = Effect.forever(Effect.andThen(draw, Effect.sleep(redrawMillis)))
  const erase = Effect.suspend(() => print(home(drawn) + eraseBelow))
  return yield* Effect.ensuring(Effect.raceFirst(effect, drawing), erase)
})
