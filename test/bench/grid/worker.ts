/** A process that computes the cells it is sent, one after the other. */
import { type CellOptions, measureCell } from "./cell.ts"

process.on("message", (options: CellOptions) => {
  measureCell(options).then(
    (cell) => process.send!({ options, cell }),
    (error: unknown) => {
      console.error(JSON.stringify(options), error)
      process.exit(1)
    }
  )
})

// the parent is gone
process.on("disconnect", () => process.exit())
