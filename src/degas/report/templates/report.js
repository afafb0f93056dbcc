(() => {
  "use strict";
  document.documentElement.classList.add("js");
  const numbers = JSON.parse(document.getElementById("numbers").textContent);

  // Sliders: each calls its panel's `show(position)` and returns the words for that position.
  const shows = {
    frames(panel, at) {
      const images = [...panel.querySelectorAll(".frames img")];
      images.forEach((image, k) => { image.hidden = k !== at; });
      return images[at].dataset.text;
    },
    alpha(panel, at) {
      const { epochs, alpha } = numbers[panel.dataset.alpha];
      panel.querySelectorAll(".card").forEach((card, k) => showCard(card, alpha[k][at], at / (epochs.length - 1)));
      return "epoch " + epochs[at];
    },
  };
  const showCard = (card, values, place) => {
    const top = Math.max(...values);
    const powers = values.map((value) => Math.exp(value - top));
    const total = powers.reduce((sum, power) => sum + power, 0);
    card.querySelectorAll("li").forEach((row, k) => {
      row.querySelector("i").style.width = Math.min(100, powers[k] / total / card.dataset.top * 100) + "%";
      row.querySelector(".num").textContent = values[k].toFixed(3).replace("-", "−");
      row.classList.toggle("lead", values[k] === top);
    });
    const cursor = card.querySelector(".cursor");
    if (cursor) cursor.style.left = place * 100 + "%";
  };
  document.querySelectorAll("[data-slider]").forEach((input) => {
    const panel = input.closest("article");
    const box = input.closest(".slider");
    const button = box.querySelector(".play");
    let timer = null;
    const show = () => {
      const words = shows[input.dataset.slider](panel, Number(input.value));
      box.querySelector("output").textContent = words;
      input.setAttribute("aria-valuetext", words);
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      button.firstElementChild.textContent = "▶";
      button.setAttribute("aria-label", button.getAttribute("aria-label").replace("Pause", "Play"));
    };
    const last = Number(input.max);
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (Number(input.value) === last) input.value = 0;
      button.firstElementChild.textContent = "❚❚";
      button.setAttribute("aria-label", button.getAttribute("aria-label").replace("Play", "Pause"));
      timer = setInterval(() => {
        if (Number(input.value) === last) return stop();
        input.value = Number(input.value) + 1;
        show();
      }, Math.max(80, Math.min(500, 6000 / last)));
      show();
    });
    input.addEventListener("input", () => { stop(); show(); });
    input.value = last; // a browser may restore an old position
    show();
  });

  // The tip of an edge: by pointer, by touch (focus) and by keyboard.
  const tip = document.getElementById("tip");
  const line = (tag, text) => {
    const element = document.createElement(tag);
    element.textContent = text;
    tip.append(element);
  };
  const showTip = (edge, x, y) => {
    const facts = edge.dataset;
    tip.replaceChildren();
    const kept = edge.classList.contains("kept");
    line("b", facts.edge + (facts.operation ? ": " + facts.operation : ""));
    if (!kept) line("div", "not kept");
    if (facts.margin) line("div", "margin " + facts.margin);
    if (facts.alpha) line("div", "α " + facts.alpha + (facts.share ? " · mixing weight " + facts.share : ""));
    if (facts.leader) line("div", facts.leader);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x - box.width / 2), document.documentElement.clientWidth - box.width - 8);
    tip.style.left = left + "px";
    tip.style.top = (y - box.height - 16 > 56 ? y - box.height - 16 : y + 22) + "px";
  };
  const hideTip = () => { tip.hidden = true; };
  document.querySelectorAll(".edge[data-edge]").forEach((edge) => {
    edge.addEventListener("pointermove", (event) => showTip(edge, event.clientX, event.clientY));
    edge.addEventListener("pointerleave", hideTip);
    edge.addEventListener("focus", () => {
      const box = (edge.querySelector("rect") || edge).getBoundingClientRect();
      showTip(edge, box.x + box.width / 2, box.y);
    });
    edge.addEventListener("blur", hideTip);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  document.addEventListener("scroll", hideTip, { passive: true });

  document.querySelectorAll("[data-all-values]").forEach((box) => box.addEventListener("change", () => {
    document.getElementById(box.dataset.allValues).classList.toggle("all-values", box.checked);
  }));

  // A link to a folded section opens it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = target && target.querySelector(":scope > details.folded");
    if (folded) folded.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }));
})();
