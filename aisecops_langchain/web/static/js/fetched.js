// Fetches another page of this server as a document. The browser parses it without running anything in it, and every
// text in it was escaped by the server, so its nodes can be moved here; no text is ever turned into markup by a script.

export function fetchPage(url) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.addEventListener("load", () => {
      if (request.status === 200 && request.responseXML) resolve(request.responseXML);
      else reject(new Error(`the server answered ${request.status}`));
    });
    request.addEventListener("error", () => reject(new Error("the server does not answer")));
    request.send();
  });
}

export function say(words) {
  document.getElementById("said").textContent = words;
}
