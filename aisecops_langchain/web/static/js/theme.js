// Applies the chosen theme before anything is drawn. Not a module, because modules wait for the document.
(() => {
  "use strict";
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    return; // storage is switched off: the system's theme stands
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
