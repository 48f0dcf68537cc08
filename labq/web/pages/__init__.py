"""The HTML pages: one file a group of pages, all of them in one tuple."""

from labq.web.endpoint import Page

PAGES: tuple[Page, ...] = ()
