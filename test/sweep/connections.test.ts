import { connectionSweeps } from "./connections.ts"
import { itSweeps } from "./itSweeps.ts"

itSweeps(connectionSweeps)
