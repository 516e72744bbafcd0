const seconds = Number(document.documentElement.dataset.refresh);
setInterval(() => {
  const typing = document.activeElement?.tagName === "INPUT";
  const selecting = !getSelection().isCollapsed;
  if (!document.hidden && !typing && !selecting) location.reload();
}, seconds * 1000);
