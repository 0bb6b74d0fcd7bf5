// The button that turns the page light or dark, and remembers it on this machine.

const DARK = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : DARK.matches;
}

export function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
  show();
  document.dispatchEvent(new Event("theme"));
}

export function startTheme() {
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", toggleTheme);
  DARK.addEventListener("change", () => {
    show();
    document.dispatchEvent(new Event("theme"));
  });
  show();
}

function show() {
  document.getElementById("theme").textContent = isDark() ? "Light" : "Dark";
}
