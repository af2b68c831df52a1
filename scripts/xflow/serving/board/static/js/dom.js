// Elements without a framework, and without markup that the content security policy would refuse.

const SVG = "http://www.w3.org/2000/svg";

function build(made, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) made.style.setProperty(key, each);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

// An element: tag, attributes (`on...` are listeners), children.
export const h = (tag, props, ...children) => build(document.createElement(tag), props, children);

export const svg = (tag, props, ...children) => build(document.createElementNS(SVG, tag), props, children);

export const byId = (id) => document.getElementById(id);

// Put children in, and the keyboard's focus back where it was.
export function fill(place, ...children) {
  const held = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (held) byId(held)?.focus({ preventScroll: true });
}

// Call with the newest arguments once nobody has called for so many milliseconds.
export function calm(call, wait) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), wait);
  };
}
