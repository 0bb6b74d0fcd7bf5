// What every page gets: theme, keyboard, drawer, live updates. Without any of it the page still says all it has to say.
import { startDrawer } from "./drawer.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startTheme } from "./toggle.js";

startTheme();
startDrawer();
startKeys();
startLive();
